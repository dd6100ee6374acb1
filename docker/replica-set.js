/**
 * Makes the replica set and the user of the server; mongosh runs it at every `docker compose up`. What is there already
 * stays, but for the user's password, which becomes that of the secret: so a password is changed by changing the file.
 */

const fs = require('node:fs');
const { URL: ParsedUrl } = require('node:url');

const seconds = 90;
const member = 'mongodb:27017';

function readSecret(name) {
  return fs.readFileSync(`/run/secrets/${name}`, 'utf8').trim();
}

/** One attempt, each step of which may have been done by an earlier one. */
function prepare({ username, password, pathname, searchParams }) {
  const admin = new Mongo(`mongodb://${member}/?directConnection=true&serverSelectionTimeoutMS=2000`).getDB('admin');
  admin.auth('root', readSecret('mongodb-root-password'));
  if (admin.hello().setName === undefined) {
    const config = { _id: searchParams.get('replicaSet'), members: [{ _id: 0, host: member }] };
    admin.adminCommand({ replSetInitiate: config });
  }
  if (!admin.hello().isWritablePrimary) throw new Error('the member is not primary yet');

  const database = admin.getSiblingDB(pathname.slice(1));
  const user = decodeURIComponent(username);
  const rights = { pwd: decodeURIComponent(password), roles: ['readWrite'] };
  if (database.getUser(user) === null) database.createUser({ user, ...rights });
  else database.updateUser(user, rights);
}

const store = new ParsedUrl(readSecret('huiju-store'));
for (let attempt = 1; ; attempt += 1) {
  try {
    prepare(store);
    print('The replica set has a primary, and the server its user.');
    break;
  } catch (error) {
    // Neither message nor stack of these hold a password.
    if (attempt === seconds) throw new Error(`not ready after ${seconds} attempts: ${error.message}`);
    sleep(1000);
  }
}
