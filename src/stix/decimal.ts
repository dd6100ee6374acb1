/** JSON numbers judged on their text, since a double holds neither every digit nor every magnitude. */

const jsonNumber = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?)(\d+))?$/;

// No loop over trailing zeros by regular expression: that would be quadratic on "0000…1".
function withoutTrailingZeros(digits: string): string {
  let end = digits.length;
  while (end > 0 && digits[end - 1] === '0') end -= 1;
  return digits.slice(0, end);
}

function withoutLeadingZeros(digits: string): string {
  let start = 0;
  while (start < digits.length && digits[start] === '0') start += 1;
  return digits.slice(start);
}

interface Decimal {
  readonly negative: boolean;
  /** Without zeros at either end; empty for zero. */
  readonly digits: string;
  /** The value is `digits` times ten to this power. An exponent too large to count with is infinite. */
  readonly exponent: number;
  /** The exponent as written. */
  readonly written: string;
}

function findDecimal(text: string): Decimal | undefined {
  const match = jsonNumber.exec(text);
  if (match === null) return undefined;
  const [, minus, whole = '', fraction = '', sign = '', exponentDigits = ''] = match;
  const digits = withoutTrailingZeros(whole + fraction);
  const size = withoutLeadingZeros(exponentDigits);
  const exponent = size.length > 15 ? Number.POSITIVE_INFINITY : Number(size);
  const shift = whole.length - digits.length;
  return {
    negative: minus === '-',
    digits: withoutLeadingZeros(digits),
    exponent: (sign === '-' ? -exponent : exponent) + shift,
    written: `${sign === '-' ? '-' : ''}${size}:${shift}`,
  };
}

/** Whether a JSON number is whole, every digit considered. */
export function isWhole(text: string): boolean {
  const decimal = findDecimal(text);
  return decimal !== undefined && (decimal.digits === '' || decimal.exponent >= 0);
}

/** One spelling for all spellings of a number: 1, 1.0 and 1e0 are the same; no digit is lost. */
export function canonicalNumber(text: string): string {
  const decimal = findDecimal(text);
  if (decimal === undefined) return text;
  if (decimal.digits === '') return '0';
  const exponent = Number.isFinite(decimal.exponent) ? String(decimal.exponent) : decimal.written;
  return `${decimal.negative ? '-' : ''}${decimal.digits}e${exponent}`;
}
