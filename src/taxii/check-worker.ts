/** The thread behind checker.ts: splits a slice into its objects and checks each. */

import { parentPort } from 'node:worker_threads';
import { stepBack } from '../priority.ts';
import { type CheckedObject, checkObject } from '../stix/check-object.ts';
import { createExtensions, defaultExtensions } from '../stix/extensions.ts';
import type { CheckJob, CheckReply } from './checker.ts';
import { textsOf } from './receive.ts';

// A publication of seconds must not take the core from requests of milliseconds.
const lowerPriority = 10;

let extensions = defaultExtensions;

function checkLines({ lines, policy, language, registered }: CheckJob): CheckedObject[] {
  if (registered !== undefined) extensions = createExtensions(registered.extensions);
  const texts = textsOf(Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength));
  return texts.map((text) => checkObject(text, policy, { language, extensions }));
}

stepBack(lowerPriority);
parentPort?.on('message', (job: CheckJob) => {
  let reply: CheckReply;
  try {
    reply = { job: job.job, checked: JSON.stringify(checkLines(job)) };
  } catch (error) {
    reply = { job: job.job, failure: String(error) };
  }
  parentPort?.postMessage(reply);
});
