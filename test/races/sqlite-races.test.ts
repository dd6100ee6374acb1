import { sqliteKind } from './deployment.ts';
import { describeRaces } from './races.ts';

describeRaces(sqliteKind);
