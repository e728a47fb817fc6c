import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SyncError } from '../../src/core/errors.ts';
import { parseUrl, redactUrl } from '../../src/store/url.ts';

const MYSQL = { kind: 'mysql', host: 'localhost', port: 3306, socket: null, user: 'u', password: 'p', database: 'd', tls: 'off' };

test('database URLs', () => {
  const cases: [url: string, expected: object][] = [
    ['mysql://u:p@localhost/d', MYSQL],
    ['mariadb://u:p@localhost:3307/d', { ...MYSQL, port: 3307 }],
    ['mysql://u:p%40%2F%3A%23%25@127.0.0.1/d%20e', { ...MYSQL, host: '127.0.0.1', password: 'p@/:#%', database: 'd e' }],
    ['mysql://u@[::1]/d', { ...MYSQL, host: '::1', password: '' }],
    ['mysql://u:p@db.example/d', { ...MYSQL, host: 'db.example', tls: 'verify' }],
    ['mysql://u:p@db.example/d?tls=off', { ...MYSQL, host: 'db.example' }],
    ['mysql://u:p@localhost/d?tls=required', { ...MYSQL, tls: 'required' }],
    ['mysql://u:p@localhost/d?socket=/run/my.sock', { ...MYSQL, socket: '/run/my.sock' }],
    ['mysql://u:p@/d?socket=/run/my.sock', { ...MYSQL, socket: '/run/my.sock' }],
    ['sqlite:data/app.db', { kind: 'sqlite', path: '/base/data/app.db' }],
    ['sqlite:/abs/app.db', { kind: 'sqlite', path: '/abs/app.db' }],
    ['sqlite:///abs/app.db', { kind: 'sqlite', path: '/abs/app.db' }],
    ['sqlite:../a b%20c?d.db', { kind: 'sqlite', path: '/a b%20c?d.db' }],
  ];
  for (const [url, expected] of cases) assert.deepEqual(parseUrl(url, '/base'), expected, url);
});

test('what is wrong with a URL is said without repeating it', () => {
  const cases = [
    '',
    'secret',
    'postgres://u:secret@h/d',
    'mysql:u:secret@h/d',
    'mysql://u:secret@h',
    'mysql://u:secret@h/',
    'mysql://u:secret@h/a/b',
    'mysql://u:sec#ret@h/d',
    'mysql://u:12/secret@h/d',
    'mysql://u:%zzsecret@h/d',
    'mysql://u:secret@h/d?ssl=1',
    'mysql://u:secret@h/d?tls=maybe',
    'mysql://u:secret@h:port/d',
    'sqlite:',
    'sqlite::memory:',
    'sqlite://secret/x',
  ];
  for (const url of cases) {
    assert.throws(
      () => parseUrl(url, '/'),
      (error: unknown) => {
        assert.ok(error instanceof SyncError, `${url}: ${String(error)}`);
        assert.equal(error.code, 'CONFIG');
        assert.ok(error.hint);
        assert.ok(!/secret|sec#ret/.test(JSON.stringify([error.message, error.hint, error.details, error.stack, error.cause])), url);
        return true;
      },
      url,
    );
  }
});

test('a redacted URL shows where, and never the password', () => {
  const cases: [url: string, shown: string][] = [
    ['mysql://u:secret@h:1/d?tls=off', 'mysql://u:***@h:1/d'],
    ['mysql://u:sec@ret/x#y@h/d', 'mysql://u:***@h/d'],
    ['mysql://u@h/d', 'mysql://u:***@h/d'],
    ['mysql://h:3306/d', 'mysql://h:3306/d'],
    ['mysql://u:secret', 'mysql://***'],
    ['secret', '***'],
    ['sqlite:a.db', 'sqlite:a.db'],
  ];
  for (const [url, shown] of cases) assert.equal(redactUrl(url), shown);
});
