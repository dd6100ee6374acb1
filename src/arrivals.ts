/**
 * Which requests have arrived together: by one look of the event loop for events. The client of each had begun to send it
 * before that look, so an answer to it need not be newer than anything that was found out since.
 *
 * That holds for the first of what is read from a connection after a look, and of no more: its bytes are read when it is its
 * turn, and some may have come since.
 */

import { performance } from 'node:perf_hooks';

/** Names a look for events. */
export type Look = Readonly<Record<'loopCount' | 'events', number>>;

/** What a request comes by. */
type Connection = object & { readonly encrypted?: boolean };

export interface Arrivals {
  /** To be called when a request is handled as soon as it is read. */
  begin(connection: Connection): void;
  /** To be called when a request is handled that has waited for another one, perhaps in the same moment as that. */
  end(): void;
  /** To be called when something else of what the connection brings was handled, the rest of a body perhaps. */
  touch(connection: Connection): void;
  /**
   * The look by which the request came that is being handled; undefined: it is handled later, it may have come after that
   * look, or what is being done is none.
   */
  find(): Look | undefined;
}

/**
 * Acts when all is done that can be done without waiting, and before anything else that has arrived is handled: a tick set
 * by a microtask comes when no microtask is left.
 */
export function atEndOfMoment(act: () => void): void {
  queueMicrotask(() => process.nextTick(act));
}

export function createArrivals(): Arrivals {
  /** By which look something of a connection was last handled. */
  const handled = new WeakMap<Connection, Look>();
  let current: Look | undefined;
  const end = (): void => {
    current = undefined;
  };
  // libuv counts loops before it looks, and events when all of a look are handled, of which a loop can have several.
  const findLook = (): Look => performance.nodeTiming.uvMetricsInfo;
  return {
    begin(connection) {
      const look = findLook();
      const last = handled.get(connection);
      handled.set(connection, look);
      // The end of a handshake and what follows it can be read together, and nothing tells of the first.
      const isFirst = last === undefined ? connection.encrypted !== true : !isSameLook(last, look);
      current = isFirst ? look : undefined;
      if (isFirst) atEndOfMoment(end);
    },
    end,
    touch: (connection) => void handled.set(connection, findLook()),
    find: () => current,
  };
}

export function isSameLook(one: Look | undefined, other: Look | undefined): boolean {
  return one !== undefined && one.loopCount === other?.loopCount && one.events === other.events;
}
