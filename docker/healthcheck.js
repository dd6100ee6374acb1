/** Asks the server in this container whether it is ready: exit code 0 when it is. The image has no curl. */

import http from 'node:http';
import https from 'node:https';

const { HUIJU_PORT: port = '8080', HUIJU_TLS_CERT: cert } = process.env;

/** @param {string} reason shown by `docker inspect` */
function fail(reason) {
  console.log(reason);
  process.exitCode = 1;
}

const target = {
  host: '127.0.0.1',
  port,
  path: '/readyz',
  timeout: 5000,
  // The certificate names the public host.
  rejectUnauthorized: false,
};
const request = (cert === undefined ? http : https).get(target, (response) => {
  response.resume();
  if (response.statusCode !== 200) fail(`/readyz answers ${response.statusCode}`);
});
request.on('timeout', () => request.destroy(new Error('no answer in 5 seconds')));
request.on('error', (error) => fail(`/readyz: ${error.message}`));
