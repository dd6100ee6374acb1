import { expect, test } from '@jest/globals';
import { createRememberedLogins } from '../../src/auth/remembered-logins.ts';

const login = { user: 'member', credential: 'one' };

test('a login is remembered for less than its lifetime, however often it is used', () => {
  let clock = 0;
  const logins = createRememberedLogins(() => clock, 60_000);
  logins.add('header', login);
  clock = 30_000;
  expect(logins.find('header')).toMatchObject(login);
  expect(logins.find('Header')).toBeUndefined();
  clock = 59_999;
  expect(logins.find('header')).toMatchObject(login);
  clock = 60_000;
  expect(logins.find('header')).toBeUndefined();
});

test('of more than ten thousand, the one not used for longest is forgotten', () => {
  const logins = createRememberedLogins(() => 0, 60_000);
  for (let index = 0; index < 10_000; index += 1) logins.add(`header ${index}`, login);
  logins.find('header 0');
  logins.add('one more', login);
  expect(logins.find('header 0')).toBeDefined();
  expect(logins.find('header 1')).toBeUndefined();
  expect(logins.find('header 2')).toBeDefined();
  expect(logins.find('one more')).toBeDefined();
});

test('what is added again replaces itself and nothing else', () => {
  const logins = createRememberedLogins(() => 0, 60_000);
  for (let index = 0; index < 10_000; index += 1) logins.add(`header ${index}`, login);
  logins.add('header 5', { user: 'member', credential: 'two' });
  expect(logins.find('header 5')).toMatchObject({ credential: 'two' });
  expect(logins.find('header 0')).toBeDefined();
});
