/** What the tests of publishing share: requests that publish, and what came of them. */

import type { Answer, Ask, TestServer } from '../support/taxii-server.ts';
import { at, type Manifest, type Status, statusOf } from './answers.ts';

export const path = `${at.rw}/objects/`;
export const small = '/small/collections/small/objects/';
/** max_content_length of the root `small`. */
export const smallLimit = 4096;

/** Requests to the server, which need not be there before the first of them. */
export function createPublisher(server: () => TestServer) {
  return {
    post: (body: string | Buffer | object, options: Ask = {}, to: string = path): Promise<Answer> =>
      server().get(to, { ...options, body }),
    publish: async (objects: readonly unknown[]): Promise<Status> => statusOf(await server().publish(objects)),
    /** The manifest records of an object's versions. */
    recordsOf: async (id: string): Promise<NonNullable<Manifest['objects']>> => {
      const answer = await server().get(`${at.rw}/manifest/?match[id]=${id}&match[version]=all`);
      return answer.json<Manifest>().objects ?? [];
    },
  };
}
