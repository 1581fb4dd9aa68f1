/** Loaded into a service as an SDK is (`NODE_OPTIONS=--import=…`): each span that ends is a line of what it says. */
import { recordSpans } from './recorded-spans.js';

recordSpans((span) => void process.stdout.write(`${JSON.stringify({ span })}\n`));
