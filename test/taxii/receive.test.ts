import { describe, expect, test } from '@jest/globals';
import { receive, type Slice, textsOf } from '../../src/taxii/receive.ts';

/** A body that arrives in pieces of so many bytes. */
async function* inPieces(texts: readonly string[], length: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(`{"objects":[${texts.join(' ,\n')}]}`);
  for (let from = 0; from < bytes.length; from += length) yield bytes.subarray(from, from + length);
}

async function receiveAll(texts: readonly string[], pieces: number, maxObjectLength = 1_000_000) {
  const received = await receive(inPieces(texts, pieces), { maxObjectLength, maxObjects: 100_000 });
  const slices: Slice[] = [];
  for await (const slice of received.slices()) slices.push(slice);
  await received.close();
  return { slices, tooLong: received.tooLong };
}

const numbered = (count: number, filling: string): string[] =>
  Array.from({ length: count }, (_, place) => JSON.stringify({ place, filling }));

describe('a body that is received', () => {
  test.each([
    ['a few short objects', numbered(3, 'a')],
    ['texts of one to four bytes a character', ['{"a":"z"}', '{"a":"é"}', '{"a":"汇聚"}', '{"a":"😀"}', '{"a":"z"}']],
    ['more objects than a slice takes', numbered(1234, 'ab')],
    ['more bytes than a slice takes', numbered(700, '汇'.repeat(1000))],
    ['an object longer than a slice', [...numbered(2, 'a'), ...numbered(1, 'a'.repeat(600_000)), ...numbered(2, 'b')]],
  ])('is handed out in order and whole: %s', async (_name, texts) => {
    for (const pieces of [977, 100_000]) {
      const { slices } = await receiveAll(texts, pieces);
      expect(slices.flatMap(({ lines }) => textsOf(lines))).toEqual(texts);
      expect(slices.map(({ count }) => count)).toEqual(slices.map(({ lines }) => textsOf(lines).length));
      expect(slices.flatMap(({ startLines }) => [...startLines])).toEqual(texts.map((_, place) => place + 1));
    }
  });

  test('comes in slices that are short to check and to store', async () => {
    const { slices } = await receiveAll(numbered(5000, 'a'.repeat(2000)), 65_536);
    for (const { count, lines } of slices) {
      expect(count).toBeLessThanOrEqual(200);
      expect(lines.length).toBeLessThan(256 * 1024 + 4096);
    }
  });

  test('leaves an empty text where an object is too long, and keeps its beginning', async () => {
    const texts = [...numbered(1, 'a'), ...numbered(1, 'b'.repeat(5000)), ...numbered(1, 'c')];
    const { slices, tooLong } = await receiveAll(texts, 1000, 1000);
    expect(slices.flatMap(({ lines }) => textsOf(lines))).toEqual([texts[0], '', texts[2]]);
    expect([...tooLong.keys()]).toEqual([1]);
    expect(texts[1]?.startsWith(tooLong.get(1) as string)).toBe(true);
  });

  test('does not share its memory with what else the process holds', async () => {
    const { slices } = await receiveAll(numbered(1, 'a'), 1000);
    expect(slices.map(({ lines }) => lines.buffer.byteLength)).toEqual(slices.map(({ lines }) => lines.length));
  });
});
