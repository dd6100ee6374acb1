/** The names that people give: of users and roles. Units and groups are named as users are. */

const name = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;
const role = /^[a-z][a-z0-9-]{0,63}$/;

export const nameRule = 'a name has 1 to 64 letters, digits and . _ @ -, and begins with a letter or digit';
export const roleRule = 'a role has 1 to 64 lower-case letters, digits and -, and begins with a letter';

export function isName(text: string): boolean {
  return name.test(text);
}

export function isRole(text: string): boolean {
  return role.test(text);
}
