import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { fileDescriptorsMax, shareOfFileDescriptors } from './file-descriptors.js';

test('it is what the shell says', () => {
  const said = spawnSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).stdout.trim();
  expect(fileDescriptorsMax()).toBe(said === 'unlimited' ? Infinity : Number(said));
});

test('some are kept for other things, and at least one is given', () => {
  expect(shareOfFileDescriptors(0.5)).toBe(Math.floor((fileDescriptorsMax() - 128) / 2));
  expect(shareOfFileDescriptors(0)).toBe(1);
});
