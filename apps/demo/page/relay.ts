/** The strip that shows a message on its way: each hop lights up when it is known to have happened. */
import { byId } from './element.js';
import { duration } from './spoken.js';

type Hop = 'post' | 'deliver' | 'show';

const LIT_MS = 1_200;

export class Relay {
  private readonly dark = new Map<Hop, number>();

  constructor(clientName: string) {
    byId('client-name').textContent = clientName;
  }

  /** The push service has answered the application server. */
  posted(status: string, tookMs: number): void {
    this.light('post', `${status} in ${duration(tookMs)}`);
  }

  arrived(tookMs: number | undefined): void {
    this.light('deliver', tookMs === undefined ? 'pushed' : `here after ${duration(tookMs)}`);
    this.light('show', 'push event');
  }

  private light(hop: Hop, said: string): void {
    byId(`hop-${hop}`).textContent = said;
    const item = document.querySelector(`[data-hop="${hop}"]`);
    item?.classList.remove('lit');
    // Reading the layout lets an animation that runs begin anew.
    void (item as HTMLElement | null)?.offsetWidth;
    item?.classList.add('lit');
    clearTimeout(this.dark.get(hop));
    this.dark.set(
      hop,
      window.setTimeout(() => item?.classList.remove('lit'), LIT_MS),
    );
  }
}
