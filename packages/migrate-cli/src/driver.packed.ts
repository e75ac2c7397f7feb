/** The driver, in what is published: an import, of which the bundle has a copy. See docs/adr/0015-packed-as-a-bundle.md. */

export { Client } from 'pg';
