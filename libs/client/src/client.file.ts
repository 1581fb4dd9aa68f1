/** The entry for Node (`#client.file`): apart from the index, so that a bundle for browsers has no `node:fs`. */
export * from './storage.file.js';
