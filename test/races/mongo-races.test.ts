import { describeOnMongodb } from './on-mongodb.ts';
import { describeRaces } from './races.ts';

describeOnMongodb(describeRaces);
