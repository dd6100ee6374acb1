/**
 * The code that ajv makes of a schema, with every loop over members or items also ending once there are so many errors:
 * a hostile object must not grow a list of millions. A loop of another form stays as it is.
 */
export function boundLoops(code: string, maxErrors: number): string {
  return code
    .replaceAll(/(for\(let (i\d+)=0; ?)\2<(len\d+); ?\2\+\+\)\{/g, `$1$2<$3 && errors<${maxErrors}; $2++){`)
    .replaceAll(/(for\(const (key\d+) in [\w.]+\)\{)/g, `$1if(errors>=${maxErrors})break;`);
}
