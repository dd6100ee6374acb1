/** A thousand pollers on keep-alive connections, each asking once a second whether there is something new. */

import { login, objectsPath, openDataSet } from './data-set.ts';
import { type Connection, check, formatRequest, openConnection } from './load.ts';
import { quantile, showProgress } from './measure.ts';
import { forgetPeak, peakOf, processorTime, serve, treeOf } from './processes.ts';
import { createQuestions, getShape } from './questions.ts';
import { type Report, round } from './report.ts';
import { type Settings, usualCount } from './settings.ts';

const pollers = 1000;
const expected = { status: 200, least: 10, most: 100 };

/** Asks once a second until the time is over, beginning somewhere within the first. Yields its latencies. */
async function poll(connection: Connection, request: Buffer, until: number): Promise<number[]> {
  const latencies: number[] = [];
  const start = performance.now() + Math.random() * 1000;
  for (let due = start; due < until; due += 1000) {
    await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
    latencies.push(check(await connection.ask(request), expected).time);
  }
  return latencies;
}

export async function benchPolls(report: Report, settings: Settings): Promise<void> {
  const { quick, server } = settings;
  const count = usualCount(settings);
  const seconds = quick ? 10 : 60;
  const data = await openDataSet(count, server);
  const huiju = await serve(data);
  const shape = getShape('an empty poll', 'end');
  const { path } = createQuestions(data.facts, shape)(0);
  const request = formatRequest(objectsPath.replace(/objects\/$/, path), login);
  const connections = await Promise.all(Array.from({ length: pollers }, () => openConnection(huiju.port)));
  // The first login costs a hash of the password; the others wait for it.
  check(await (connections[0] as Connection).ask(request), expected);
  forgetPeak(huiju.pid);
  const before = processorTime(treeOf(huiju.pid));
  const until = performance.now() + seconds * 1000;
  showProgress(`${pollers} pollers, ${seconds} s`);
  const latencies = (await Promise.all(connections.map((connection) => poll(connection, request, until)))).flat();
  const time = processorTime(treeOf(huiju.pid)) - before;
  showProgress('');
  const megabytes = peakOf(huiju.pid);
  for (const connection of connections) connection.close();
  await huiju.stop();

  report.section(
    `${pollers.toLocaleString('en')} pollers once a second, ${count.toLocaleString('en')} objects, nothing new`,
  );
  report.row({ what: 'processor time of a poll', ours: `${round((time * 1000) / latencies.length)} µs` });
  report.row({ what: 'of one core', ours: `${round(time / seconds / 10)} %` });
  report.row({
    what: 'latency',
    ours: `p50 ${round(quantile(latencies, 0.5))} ms, p99 ${round(quantile(latencies, 0.99))} ms`,
  });
  report.row({
    what: 'memory at most',
    ours: `${round(megabytes)} MB`,
    value: megabytes,
    bound: { kind: 'at most', must: 300, unit: 'MB' },
  });
}
