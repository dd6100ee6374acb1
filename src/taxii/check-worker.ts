/** The thread behind checker.ts: splits a slice into its objects and checks each. */

import { parentPort } from 'node:worker_threads';
import { type CheckedObject, checkObject } from '../stix/check-object.ts';
import { createExtensions, defaultExtensions } from '../stix/extensions.ts';
import type { CheckJob, CheckReply } from './checker.ts';

let extensions = defaultExtensions;

function checkLines({ lines, policy, language, registered }: CheckJob): CheckedObject[] {
  if (registered !== undefined) extensions = createExtensions(registered.extensions);
  const texts = Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength).toString().split('\n');
  // Each text ends in a line feed, so the last piece is empty.
  return texts.slice(0, -1).map((text) => checkObject(text, policy, { language, extensions }));
}

parentPort?.on('message', (job: CheckJob) => {
  let reply: CheckReply;
  try {
    reply = { job: job.job, checked: checkLines(job) };
  } catch (error) {
    reply = { job: job.job, failure: String(error) };
  }
  parentPort?.postMessage(reply);
});
