/** What a keeper counts, as plain fields. */
export class KeeperCounts {
  /** Records of `subscriptions` read. */
  records = 0;
  undecodable = 0;
  /** Scripts that found another mark than believed. */
  fenced = 0;
  /** Views folded from the log. */
  rebuilds = 0;
  /** Notifications settled `gone`, by removals and by the sweep. */
  gone = 0;
  /** Devices removed because they were not seen for too long. */
  forgotten = 0;
}
