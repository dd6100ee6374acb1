import { expect, test } from '@jest/globals';
import { remember } from '../../src/remember.ts';

function counting() {
  const made: string[] = [];
  const ask = remember((text) => {
    made.push(text);
    return { text };
  });
  return { made, ask };
}

test('what was made of a text is given again', () => {
  const { made, ask } = counting();
  expect(ask('a')).toBe(ask('a'));
  expect(ask('b')).toEqual({ text: 'b' });
  expect(made).toEqual(['a', 'b']);
});

test('long texts are not kept, nor more than a thousand', () => {
  const { made, ask } = counting();
  const long = 'x'.repeat(301);
  ask(long);
  ask(long);
  expect(made).toEqual([long, long]);
  for (let n = 0; n < 1001; n += 1) ask(String(n));
  made.length = 0;
  ask('1000');
  ask('0');
  expect(made).toEqual(['0']);
});

test('what fails is tried again', () => {
  let tries = 0;
  const ask = remember(() => {
    tries += 1;
    throw new Error('no');
  });
  for (let n = 0; n < 2; n += 1) expect(() => ask('a')).toThrow('no');
  expect(tries).toBe(2);
});
