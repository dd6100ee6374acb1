import { describeCrashes } from './crashes.ts';
import { describeOnMongodb } from './on-mongodb.ts';

describeOnMongodb(describeCrashes);
