import { describeCrashes } from './crashes.ts';
import { sqliteKind } from './deployment.ts';

describeCrashes(sqliteKind);
