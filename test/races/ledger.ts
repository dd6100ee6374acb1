/** What was sent and what was acknowledged, and the objects to send. */

import { randomUUID } from 'node:crypto';

/** An object as it is sent. */
export interface Outgoing {
  readonly text: string;
  readonly id: string;
  /** Whether the server is to take it. */
  readonly isValid: boolean;
}

/** A version that a 202 answered for. */
export interface Acknowledged {
  readonly id: string;
  /** As the status spelled it: of an observable the date_added it got. */
  readonly version: string;
  readonly text: string;
}

interface Status {
  readonly id: string;
  readonly status: string;
  readonly total_count: number;
  readonly failure_count: number;
  readonly successes?: readonly { readonly id: string; readonly version: string }[];
}

export interface KnownStatus {
  readonly id: string;
  readonly submitter: string;
  /** As the 202 had it. */
  readonly text: string;
}

const created = '2024-01-01T00:00:00.000Z';
const middle = Date.parse('2025-01-01T00:00:00.000Z');

/** What two texts have in common that differ in spelling alone. */
function contentOf(text: string): string {
  return JSON.stringify(JSON.parse(text));
}

// A large integer, an exponent, an escape and letters beyond ASCII: a text that was parsed on its way shows.
const oddities = '"x_serial":12345678901234567890123,"x_rate":1.50e3,"x_note":"\\u6c47聚 \\/ é"';

function versionedText(id: string, modified: string, name: string): string {
  return `{"type":"identity","spec_version":"2.1","id":"${id}","created":"${created}","modified":"${modified}","name":"${name}",${oddities}}`;
}

function observableText(id: string, value: string): string {
  return `{"type":"domain-name","spec_version":"2.1","value":"${value}.example.com","id":"${id}",${oddities}}`;
}

export class Ledger {
  /** In the order of their answers. */
  readonly acknowledged: Acknowledged[] = [];
  readonly statuses: KnownStatus[] = [];
  /** What contradicts a promise, in words. */
  readonly faults: string[] = [];
  /** Valid texts that were sent, by content. */
  readonly #sent = new Map<string, string>();
  /** Objects to make versions of, and texts to send again. */
  readonly #ids: { readonly versioned: string[]; readonly observables: string[] } = { versioned: [], observables: [] };
  readonly #texts: Outgoing[] = [];
  #ticks = 0;

  fault(text: string): void {
    if (this.faults.length < 20) this.faults.push(text);
  }

  /** The text that was sent with this content; undefined when none was. */
  findSent(content: unknown): string | undefined {
    return this.#sent.get(JSON.stringify(content));
  }

  /** A new version of some object or of a new one, an observable, one that was sent before, or one that is invalid. */
  next(random: () => number): Outgoing {
    const kind = random();
    if (kind < 0.5) return this.#keep(this.newObject());
    if (kind < 0.7) return this.#keep(this.#newVersion(random));
    if (kind < 0.8) return this.#any(this.#texts, random) ?? this.#keep(this.newObject());
    if (kind < 0.95) return this.#keep(this.#newObservable(random));
    return this.#invalid(random);
  }

  newObject(): Outgoing {
    const id = `identity--${randomUUID()}`;
    this.#ids.versioned.push(id);
    return { id, text: versionedText(id, new Date(middle).toISOString(), 'first'), isValid: true };
  }

  /** Notes that the object is about to be sent. */
  willSend({ text, isValid }: Outgoing): void {
    if (isValid) this.#sent.set(contentOf(text), text);
  }

  /** Takes the answer to a publication. */
  acknowledge(batch: readonly Outgoing[], submitter: string, answer: string): void {
    const status = JSON.parse(answer) as Status;
    this.statuses.push({ id: status.id, submitter, text: answer });
    const valid = batch.filter(({ isValid }) => isValid);
    const successes = status.successes ?? [];
    const isExact =
      status.status === 'complete' &&
      status.total_count === batch.length &&
      successes.length === valid.length &&
      successes.every(({ id }, place) => id === valid[place]?.id);
    if (!isExact) this.fault(`the status does not tell what was sent: ${answer.slice(0, 1000)}`);
    for (const [place, { id, version }] of successes.entries()) {
      const { text = '' } = valid[place] ?? {};
      this.acknowledged.push({ id, version, text });
    }
  }

  #keep(object: Outgoing): Outgoing {
    this.#texts.push(object);
    return object;
  }

  #any<T>(from: readonly T[], random: () => number): T | undefined {
    return from[Math.floor(random() * from.length)];
  }

  /** Half of them are older than all there are, so that `first` moves too. */
  #newVersion(random: () => number): Outgoing {
    const id = this.#any(this.#ids.versioned, random) ?? this.newObject().id;
    this.#ticks += 1;
    const modified = new Date(middle + (random() < 0.5 ? this.#ticks : -this.#ticks)).toISOString();
    return { id, text: versionedText(id, modified, `tick ${this.#ticks}`), isValid: true };
  }

  #newObservable(random: () => number): Outgoing {
    const known = random() < 0.4 ? this.#any(this.#ids.observables, random) : undefined;
    const id = known ?? `domain-name--${randomUUID()}`;
    if (known === undefined) this.#ids.observables.push(id);
    this.#ticks += 1;
    return { id, text: observableText(id, `host-${this.#ticks}`), isValid: true };
  }

  /** Without its name, or with other content under a version that is acknowledged. */
  #invalid(random: () => number): Outgoing {
    const held = this.#any(this.acknowledged, random);
    const id = `identity--${randomUUID()}`;
    if (held === undefined || !held.id.startsWith('identity') || random() < 0.5) {
      const text = versionedText(id, created, 'x').replace('"name":"x",', '');
      return { id, text, isValid: false };
    }
    return { id: held.id, text: versionedText(held.id, held.version, 'other content'), isValid: false };
  }
}
