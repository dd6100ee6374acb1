const listLoop = /(for\(let (i\d+)=0; ?)\2<(len\d+); ?\2\+\+\)\{/g;
// Over the names in a value, or those that a schema requires: a list within the schema.
const nameLoop = /(for\(const (?:key\d+ in|prop\d+ of) (?:[\w.]|\[\d+\]|\["(?:[^"\\]|\\.)*"\])+\)\{)/g;

/**
 * The code that ajv makes of a schema, with every loop over members, items or required names also ending once there are
 * so many errors: a hostile object must not grow a list of millions. A loop of another form stays as it is.
 */
export function boundLoops(code: string, maxErrors: number): string {
  return code
    .replaceAll(listLoop, `$1$2<$3 && errors<${maxErrors}; $2++){`)
    .replaceAll(nameLoop, `$1if(errors>=${maxErrors})break;`);
}
