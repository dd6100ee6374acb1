/** What was made of a text, for a while: clients send the same at every request. */

const maxRemembered = 1000;
const maxRememberedLength = 300;

/** Returns a function that gives the same as `make`, and knows what it made of some of the last short texts. */
export function remember<Value>(make: (text: string) => Value): (text: string) => Value {
  const known = new Map<string, Value>();
  return (text) => {
    const present = known.get(text);
    if (present !== undefined) return present;
    const value = make(text);
    if (known.size >= maxRemembered) known.clear();
    if (text.length <= maxRememberedLength) known.set(text, value);
    return value;
  };
}
