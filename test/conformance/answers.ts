/** What the conformance tests look for in answers, over and over. */

import { expect } from '@jest/globals';
import type { ErrorCode } from '../../src/errors.ts';
import { type Answer, ids, taxii } from '../support/taxii-server.ts';

export const uuid4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
/** TAXII 2.1 §2: always six digits, always Z. */
export const taxiiTimestamp = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/;

/** A collection of root `main`, by what `member` may do there. */
export const at = {
  rw: `/main/collections/${ids.rw}`,
  ro: `/main/collections/${ids.ro}`,
  wo: `/main/collections/${ids.wo}`,
  hidden: `/main/collections/${ids.hidden}`,
} as const;

export interface Details {
  readonly id: string;
  readonly version: string;
  readonly message?: string;
}

export interface Status {
  readonly id: string;
  readonly status: string;
  readonly request_timestamp: string;
  readonly total_count: number;
  readonly success_count: number;
  readonly failure_count: number;
  readonly pending_count: number;
  readonly successes?: readonly Details[];
  readonly failures?: readonly Details[];
}

export interface Envelope {
  readonly more: boolean;
  readonly next?: string;
  readonly objects?: readonly (Record<string, unknown> & { readonly id: string })[];
}

export interface Manifest {
  readonly more: boolean;
  readonly next?: string;
  readonly objects?: readonly {
    readonly id: string;
    readonly date_added: string;
    readonly version: string;
    readonly media_type: string;
  }[];
}

export interface Versions {
  readonly more: boolean;
  readonly next?: string;
  readonly versions?: readonly string[];
}

/** The whole form of an error (§3.6.1), and that it says the same as the status line. */
export function expectError(
  answer: Pick<Answer, 'status' | 'headers' | 'json'>,
  status: number,
  code: ErrorCode,
): void {
  const { description, error_id, title, ...rest } = answer.json();
  expect([answer.status, answer.headers['content-type'], rest]).toEqual([
    status,
    taxii,
    { error_code: code, http_status: String(status) },
  ]);
  expect(title).toEqual(expect.any(String));
  expect(description).toEqual(expect.any(String));
  expect(error_id).toMatch(uuid4);
}

export function idsOf(answer: Answer): string[] {
  return (answer.json<Envelope>().objects ?? []).map(({ id }) => id);
}

/** The resource of a 202; fails when the answer is none. */
export function statusOf(answer: Answer): Status {
  expect([answer.status, answer.headers['content-type'], answer.text]).toEqual([202, taxii, expect.any(String)]);
  return answer.json<Status>();
}
