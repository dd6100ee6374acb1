import { sqliteKind } from './deployment.ts';
import { describeRaces, workers } from './races.ts';

describeRaces(sqliteKind, workers);
