/** How a bench is to be run. */

export interface Settings {
  readonly quick: boolean;
  readonly large: boolean;
  /** The URL of a MongoDB server; undefined: the embedded store. */
  readonly server: string | undefined;
  /** Whether numbers mean anything: of an engine that only speaks MongoDB's protocol they do not. */
  readonly isClaimed: boolean;
  /** A folder of STIX bundles, where another than the usual one is named. */
  readonly data: string | undefined;
}

/** Objects of the data set that most is measured with. */
export function usualCount({ quick, isClaimed }: Settings): number {
  if (!isClaimed) return 3000;
  return quick ? 10_000 : 1_000_000;
}

/** Objects of every data set, ascending; the usual one is the last of at most a million. */
export function countsOf(settings: Settings): readonly number[] {
  const usual = usualCount(settings);
  if (settings.quick || !settings.isClaimed) return [usual];
  return settings.large ? [10_000, usual, 5_000_000] : [10_000, usual];
}
