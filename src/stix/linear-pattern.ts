/**
 * Regular expressions of schemas that others wrote, run on objects that others send: matched by following all ways at
 * once (Thompson's construction, with the sets of ways remembered as states), so that no expression and no text makes
 * it slow. What cannot be matched so, looking around and referring back, is refused.
 */

/** The regular expression cannot be used; the message says why, as a clause. */
export class PatternError extends Error {}

export interface LinearPattern {
  /** Whether the expression matches somewhere in the text. */
  test(text: string): boolean;
}

/** Is told of work before it is done, and may throw to end it. */
export type Spend = (units: number) => void;

const maxLength = 4_000;
const maxDepth = 100;
const maxNodes = 10_000;
/** Remembered ways; beyond them, all is forgotten and learned anew. */
const maxRemembered = 20_000;

type Tree =
  | { readonly kind: 'character'; readonly source: string }
  | { readonly kind: 'start' | 'end' }
  | { readonly kind: 'all' | 'one'; readonly parts: readonly Tree[] }
  | { readonly kind: 'repeat'; readonly part: Tree; readonly least: number; readonly most: number };

const refused: readonly (readonly [RegExp, string])[] = [
  [/\(\?<?[=!]/y, 'it looks ahead or behind, which is not supported; say it with "allOf" or "not" and a pattern each'],
  [/\(\?[a-z-]*:(?<!\(\?:)/y, 'it changes flags, which is not supported'],
  [/\\(?:[1-9]|k<)/y, 'it refers back to a group, which is not supported'],
  [/\\[bB]/y, 'it asks for the edge of a word, which is not supported; name the characters that may stand there'],
];
const opening = /\((?:\?:|\?<[^>]*>)?/y;
// An escape or a class is handed to JavaScript as it stands: each says of one character whether it fits.
const escaped =
  /\\(?:u\{[^}]*\}|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u.{4}|x..|c.|[pP]\{[^}]*\}|.)/suy;
const characterClass = /\[(?:\\.|[^\]\\])*\]/suy;
const quantifier = /(?:[*+?]|\{(\d+)(,(\d*))?\})\??/y;

/** Reads an expression that JavaScript accepts. */
class PatternReader {
  private at = 0;
  private depth = 0;
  private readonly source: string;

  constructor(source: string) {
    this.source = source;
  }

  private take(form: RegExp): RegExpExecArray | null {
    form.lastIndex = this.at;
    const match = form.exec(this.source);
    if (match !== null) this.at = form.lastIndex;
    return match;
  }

  read(): Tree {
    this.depth += 1;
    if (this.depth > maxDepth) throw new PatternError(`its groups lie deeper than ${maxDepth} levels`);
    const ways: Tree[] = [this.readSequence()];
    while (this.source[this.at] === '|') {
      this.at += 1;
      ways.push(this.readSequence());
    }
    this.depth -= 1;
    return { kind: 'one', parts: ways };
  }

  private readSequence(): Tree {
    const parts: Tree[] = [];
    while (this.at < this.source.length && this.source[this.at] !== '|' && this.source[this.at] !== ')') {
      parts.push(this.readRepetition(this.readAtom()));
    }
    return { kind: 'all', parts };
  }

  private readAtom(): Tree {
    for (const [form, reason] of refused) if (this.take(form) !== null) throw new PatternError(reason);
    if (this.take(opening) !== null) {
      const group = this.read();
      this.at += 1;
      return group;
    }
    const source = (this.take(characterClass) ?? this.take(escaped) ?? this.take(/./suy))?.[0] ?? '';
    if (source === '^' || source === '$') return { kind: source === '^' ? 'start' : 'end' };
    return { kind: 'character', source };
  }

  private readRepetition(part: Tree): Tree {
    const match = this.take(quantifier);
    if (match === null) return part;
    const [sign = '', least, isRange, most] = match;
    if (least === undefined) {
      return { kind: 'repeat', part, least: sign[0] === '+' ? 1 : 0, most: sign[0] === '?' ? 1 : Infinity };
    }
    const end = isRange === undefined ? Number(least) : most === '' ? Infinity : Number(most);
    return { kind: 'repeat', part, least: Number(least), most: end };
  }
}

interface Node {
  readonly kind: 'character' | 'start' | 'end' | 'branch' | 'accept';
  /** Of a character: whether it fits. */
  readonly fits?: RegExp;
  /** Where it goes on. */
  next: readonly number[];
}

/** Makes the nodes of an expression, from its end to its beginning. */
class NodeBuilder {
  readonly nodes: Node[] = [{ kind: 'accept', next: [] }];
  private readonly characters = new Map<string, RegExp>();

  private add(node: Node): number {
    if (this.nodes.length >= maxNodes)
      throw new PatternError(
        `it is too long, or repeats too often: its repetitions written out have more than ${maxNodes} parts`,
      );
    return this.nodes.push(node) - 1;
  }

  /** The node at which the tree begins when what follows it begins at `next`. */
  build(tree: Tree, next: number): number {
    switch (tree.kind) {
      case 'character':
        return this.add({ kind: 'character', fits: this.characterOf(tree.source), next: [next] });
      case 'start':
      case 'end':
        return this.add({ kind: tree.kind, next: [next] });
      case 'all':
        return tree.parts.reduceRight((follower, part) => this.build(part, follower), next);
      case 'one':
        if (tree.parts.length === 1) return this.build(tree.parts[0] as Tree, next);
        return this.add({ kind: 'branch', next: tree.parts.map((part) => this.build(part, next)) });
      case 'repeat':
        return this.buildRepetition(tree, next);
    }
  }

  private buildRepetition({ part, least, most }: Extract<Tree, { kind: 'repeat' }>, next: number): number {
    let from = next;
    if (most === Infinity) {
      const loop: Node = { kind: 'branch', next: [] };
      from = this.add(loop);
      loop.next = [this.build(part, from), next];
    } else {
      for (let count = least; count < most; count += 1) {
        from = this.add({ kind: 'branch', next: [this.build(part, from), next] });
      }
    }
    for (let count = 0; count < least; count += 1) from = this.build(part, from);
    return from;
  }

  private characterOf(source: string): RegExp {
    const known = this.characters.get(source);
    if (known !== undefined) return known;
    const made = new RegExp(`^(?:${source})$`, 'u');
    this.characters.set(source, made);
    return made;
  }
}

/** A set of nodes that were reached together. */
interface State {
  /** The characters that may follow, and `end`. */
  readonly waiting: readonly number[];
  readonly isMatch: boolean;
  /** Whether it is a match if the text ends here. */
  readonly isMatchAtEnd: boolean;
  readonly next: Map<number, State>;
}

class Matcher implements LinearPattern {
  private readonly nodes: readonly Node[];
  private readonly first: number;
  private readonly spend: Spend;
  private readonly states = new Map<string, State>();
  private remembered = 0;

  constructor(nodes: readonly Node[], first: number, spend: Spend) {
    this.nodes = nodes;
    this.first = first;
    this.spend = spend;
  }

  test(text: string): boolean {
    this.spend(1 + text.length / 16);
    let state = this.reach([this.first], 'start');
    for (let at = 0; at < text.length; ) {
      if (state.isMatch) return true;
      const point = text.codePointAt(at) as number;
      state = state.next.get(point) ?? this.learn(state, point);
      at += point > 0xffff ? 2 : 1;
    }
    return state.isMatchAtEnd;
  }

  private learn(state: State, point: number): State {
    if (this.remembered >= maxRemembered) this.forget();
    this.spend(state.waiting.length);
    const character = String.fromCodePoint(point);
    const followers = state.waiting.flatMap((index) => {
      const { fits, next } = this.nodes[index] as Node;
      return fits?.test(character) === true ? next : [];
    });
    // A match may begin anywhere.
    const next = this.reach([...followers, this.first], 'middle');
    state.next.set(point, next);
    this.remembered += 1;
    return next;
  }

  private forget(): void {
    for (const { next } of this.states.values()) next.clear();
    this.states.clear();
    this.remembered = 0;
  }

  /** All that is reached from these nodes without reading a character. */
  private follow(from: readonly number[], passes: (kind: Node['kind']) => boolean): Set<number> {
    const reached = new Set(from);
    for (const index of reached) {
      const { kind, next } = this.nodes[index] as Node;
      if (passes(kind)) for (const one of next) reached.add(one);
    }
    return reached;
  }

  private reach(from: readonly number[], place: 'start' | 'middle'): State {
    const reached = this.follow(from, (kind) => kind === 'branch' || (kind === 'start' && place === 'start'));
    this.spend(reached.size);
    const waiting = [...reached]
      .filter((index) => ['character', 'end'].includes(this.kindOf(index)))
      .sort((a, b) => a - b);
    const isMatch = reached.has(0);
    const key = `${isMatch}${waiting.join()}`;
    const known = this.states.get(key);
    // At the start of an empty text "^" may stand behind "$"; such a state is not like others.
    if (known !== undefined && place === 'middle') return known;
    const ends = waiting.filter((index) => this.kindOf(index) === 'end');
    const passes = (kind: Node['kind']) =>
      kind === 'branch' || kind === 'end' || (kind === 'start' && place === 'start');
    const state = { waiting, isMatch, isMatchAtEnd: isMatch || this.follow(ends, passes).has(0), next: new Map() };
    if (place === 'middle') {
      this.states.set(key, state);
      this.remembered += 1;
    }
    return state;
  }

  private kindOf(index: number): Node['kind'] {
    return (this.nodes[index] as Node).kind;
  }
}

/** Makes ready an expression of ECMA-262 with the flag `u`, as JSON Schema has them. Throws PatternError. */
export function createLinearPattern(source: string, spend: Spend = () => undefined): LinearPattern {
  if (source.length > maxLength) throw new PatternError(`it is longer than ${maxLength} characters`);
  try {
    new RegExp(source, 'u');
  } catch (error) {
    throw new PatternError(error instanceof Error ? error.message : String(error));
  }
  const builder = new NodeBuilder();
  const first = builder.build(new PatternReader(source).read(), 0);
  return new Matcher(builder.nodes, first, spend);
}
