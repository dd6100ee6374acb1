import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { describeStore } from './contract.ts';
import { useTempFolder } from './temp-folder.ts';

const pathOf = useTempFolder();

describeStore('SQLite', (options) => openSqliteStore({ path: pathOf('data/huiju.db'), ...options }));
