/** `huiju extension`: whose content is known, and judged by a JSON Schema. */

import type { Command } from 'commander';
import { getExtension, listExtensions, registerExtension, removeExtension } from '../hub/extensions.ts';
import type { Registration } from '../hub/registered-extensions.ts';
import { listOf } from '../stix/json-value.ts';
import { microsNow } from '../stix/timestamp.ts';
import { printable } from '../text.ts';
import { readExtension } from './extension-files.ts';
import { printLine, printList } from './output.ts';
import { withStore } from './with-store.ts';

function describe({ definition, since }: Registration) {
  const { id, name, version, extension_types } = definition;
  return {
    id,
    name: String(name),
    version: String(version),
    types: listOf(extension_types).map(String),
    origin: since === null ? 'shipped' : 'registered',
    since,
  };
}

async function addExtension(path: string, { schema }: { readonly schema?: string }): Promise<void> {
  const extension = await readExtension(path, schema);
  const outcome = await withStore((store) => registerExtension(store, extension, microsNow()));
  const { id, name } = extension.definition;
  printLine(`Extension ${id} (${printable(String(name))}) ${outcome}.`);
}

async function printExtensions({ json }: { readonly json?: true }): Promise<void> {
  const shown = (await withStore(listExtensions)).map(describe);
  const rows = shown.map(({ id, name, version, types, origin, since }) => [
    id,
    printable(name),
    printable(version),
    types.join(','),
    origin,
    since ?? '-',
  ]);
  printList(shown, json === true, ['ID', 'NAME', 'VERSION', 'TYPES', 'ORIGIN', 'SINCE'], rows);
}

async function printExtension(id: string): Promise<void> {
  const { definition, schema } = await withStore((store) => getExtension(store, id));
  printLine(JSON.stringify({ definition, schema }, null, 2));
}

export function registerExtensionCommand(program: Command): void {
  const extension = program
    .command('extension')
    .description('manage the extensions whose content is judged by a schema');
  extension
    .command('add')
    .description('register an extension, or a newer version of it')
    .argument('<file>', 'extension definition, a bundle with exactly one, or {"definition": …, "schema": …}')
    .option('--schema <file>', 'the JSON Schema of its content')
    .action(addExtension);
  extension.command('list').description('list the extensions').option('--json', 'as JSON').action(printExtensions);
  extension
    .command('show')
    .description('print an extension and its schema, in a form that can be added again')
    .argument('<id>', 'id of the extension definition')
    .action(printExtension);
  extension
    .command('remove')
    .description('remove a registered extension; its content is judged by the standard alone again')
    .argument('<id>', 'id of the extension definition')
    .action(async (id: string) => {
      await withStore((store) => removeExtension(store, id));
      printLine(`Extension ${id} removed.`);
    });
}
