/**
 * Requests and responses that are Express's from the beginning. Express gives each of them its own prototype, which makes
 * all that is done with them dearer; an object that has the prototype already stays as it was made.
 */

import { IncomingMessage, ServerResponse } from 'node:http';
import type { Express } from 'express';

export interface Messages {
  /** Of `http.createServer`. */
  readonly options: {
    readonly IncomingMessage: typeof IncomingMessage;
    readonly ServerResponse: typeof ServerResponse;
  };
  /** To be called before the first request. */
  adopt(app: Express): void;
}

export function createMessages(): Messages {
  class Request extends IncomingMessage {}
  class Answer<Of extends IncomingMessage = IncomingMessage> extends ServerResponse<Of> {}
  return {
    options: { IncomingMessage: Request, ServerResponse: Answer },
    adopt: (app) => {
      Object.setPrototypeOf(Request.prototype, app.request);
      Object.setPrototypeOf(Answer.prototype, app.response);
      Object.assign(app, { request: Request.prototype, response: Answer.prototype });
    },
  };
}
