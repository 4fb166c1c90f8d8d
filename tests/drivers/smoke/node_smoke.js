// What applications do with node-postgres. One line per check: its name, a tab, what came of it.
'use strict';

const fs = require('fs');
const { pipeline } = require('stream/promises');
const { Readable, Writable } = require('stream');
const load = (name) => require(require.resolve(name, { paths: [process.env.NODE_PACKAGES] }));
const { Client, Pool, types } = load('pg');
const Cursor = load('pg-cursor');
const QueryStream = load('pg-query-stream');
const copy = load('pg-copy-streams');

async function connected(work, options = {}) {
  const client = new Client({ connectionTimeoutMillis: 10000, ...options });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const state = (promise) => promise.then((r) => r.rows, (error) => error.code);

const checks = {
  simple: () => connected(async (c) => (await c.query("select 1 as a; select 'b' as b")).map((r) => r.rows)),

  extended: () => connected(async (c) => (await c.query('select $1::int + 1 as n, $2::text as t', [1, null])).rows),

  arrays: () => connected(async (c) => (await c.query({ text: 'select $1::int[] as a, 2', values: [[1, 2]], rowMode: 'array' })).rows),

  named: () => connected(async (c) => {
    const found = [];
    for (let i = 0; i < 5; i++) {
      found.push((await c.query({ name: 'double', text: 'select $1::int * 2 as n', values: [i] })).rows[0].n);
    }
    return found;
  }),

  named_in_flight: () => connected(async (c) => {
    const all = [];
    for (let i = 0; i < 20; i++) {
      all.push(c.query({ name: `n${i % 3}`, text: `select ${i % 3} as k, $1::int as n`, values: [i] }));
    }
    return (await Promise.all(all)).map((r) => r.rows[0]);
  }),

  named_errors: () => connected(async (c) => {
    const divide = (n) => state(c.query({ name: 'divide', text: 'select 10 / $1::int as n', values: [n] }));
    return [await divide(0), await divide(5), await divide('x'), await divide(2)];
  }),

  named_over_pool: async () => {
    const pool = new Pool({ max: 4 });
    const all = [];
    for (let i = 0; i < 40; i++) {
      all.push(pool.query({ name: 'shared', text: 'select $1::int as n', values: [i] }));
    }
    const found = (await Promise.all(all)).map((r) => r.rows[0].n);
    await pool.end();
    return found;
  },

  cursor: () => connected(async (c) => {
    const cursor = c.query(new Cursor('select generate_series(1, $1) as n', [250]));
    const first = await cursor.read(100);
    const second = await cursor.read(100);
    const third = await cursor.read(100);
    await cursor.close();
    const early = c.query(new Cursor('select generate_series(1, 1000)'));
    await early.read(1);
    await early.close();
    return [first.length, second.length, third.length, (await c.query('select 1 as a')).rows];
  }),

  stream: () => connected(async (c) => {
    let sum = 0;
    const rows = c.query(new QueryStream('select generate_series(1, 5000)::int as n', [], { batchSize: 100 }));
    for await (const row of rows) sum += row.n;
    return sum;
  }),

  copy: () => connected(async (c) => {
    await c.query('create table copied (a int, b text)');
    const lines = Readable.from((function* () { for (let i = 0; i < 3000; i++) yield `${i}\tline ${i}\n`; })());
    await pipeline(lines, c.query(copy.from('copy copied from stdin')));
    let bytes = 0;
    const count = new Writable({ write(chunk, _, next) { bytes += chunk.length; next(); } });
    await pipeline(c.query(copy.to('copy copied to stdout')), count);
    let wrong = null;
    try {
      await pipeline(Readable.from(['x\ty\n']), c.query(copy.from('copy copied from stdin')));
    } catch (error) {
      wrong = error.code;
    }
    return [bytes, wrong, (await c.query('select count(*)::int from copied')).rows];
  }),

  transaction: () => connected(async (c) => {
    await c.query('create table moved (a int unique)');
    await c.query('begin');
    await c.query('insert into moved values ($1)', [1]);
    const twice = await state(c.query('insert into moved values ($1)', [1]));
    const after = await state(c.query('select 1'));
    await c.query('rollback');
    return [twice, after, (await c.query('select count(*)::int as n from moved')).rows];
  }),

  listen: () => connected(async (listener) => connected(async (other) => {
    const heard = new Promise((resolve) => listener.once('notification', resolve));
    await listener.query('listen news');
    await other.query("notify news, 'hello'");
    const message = await heard;
    return [message.channel, message.payload];
  })),

  notice: () => connected(async (c) => {
    const heard = [];
    c.on('notice', (notice) => heard.push(notice.message));
    await c.query("do $$ begin raise notice 'one'; end $$");
    return heard;
  }),

  cancel: () => connected(async (c) => {
    const other = new Client();
    await other.connect();
    const running = state(c.query('select pg_sleep(20)'));
    // Until it runs: what would be cancelled before is nothing. Over shards it may run where these statistics are not from.
    for (const until = Date.now() + 5000; Date.now() < until;) {
      const seen = await other.query("select 1 from pg_stat_activity where query = 'select pg_sleep(20)' and state = 'active'");
      if (seen.rows.length > 0) break;
    }
    await other.end();
    const socket = require('net').connect(Number(process.env.PGPORT), process.env.PGHOST);
    const request = Buffer.alloc(16);
    request.writeInt32BE(16, 0);
    request.writeInt32BE(80877102, 4);
    request.writeInt32BE(c.processID, 8);
    request.writeInt32BE(c.secretKey, 12);
    socket.end(request);
    return [await running, (await c.query('select 1 as a')).rows];
  }),

  settings: () => connected(async (c) => {
    await c.query("set timezone to 'Asia/Tokyo'");
    return [(await c.query('show timezone')).rows, (await c.query('show statement_timeout')).rows, (await c.query('show application_name')).rows];
  }, { statement_timeout: 7700, application_name: 'smoke' }),

  statement_timeout: () => connected((c) => state(c.query('select pg_sleep(5)')), { statement_timeout: 200 }),

  values: () => connected(async (c) => (await c.query(
    'select $1::jsonb as j, $2::bytea as b, $3::timestamptz as t, $4::numeric as n, $5::bool as f',
    [{ a: [1, null] }, Buffer.from([0, 255]), new Date(0), '12.3400', true])).rows),

  large: () => connected(async (c) => (await c.query('select length($1) as n', ['x'.repeat(5 << 20)])).rows),

  pool_events: async () => {
    const pool = new Pool({ max: 3, idleTimeoutMillis: 50 });
    const found = await Promise.all([...Array(30).keys()].map(async (i) => {
      const client = await pool.connect();
      try {
        await client.query('begin');
        const n = (await client.query('select $1::int as n', [i])).rows[0].n;
        await client.query('commit');
        return n;
      } finally {
        client.release();
      }
    }));
    await pool.end();
    return found.reduce((a, b) => a + b, 0);
  },
};

(async () => {
  const lines = [];
  for (const [name, check] of Object.entries(checks)) {
    let outcome;
    try {
      outcome = JSON.stringify(await check());
    } catch (error) {
      outcome = `failed: ${error.message}`.replace(/\s+/g, ' ');
      console.error(`${name}: ${error.stack}`);
    }
    lines.push(`${name}\t${outcome}\n`);
  }
  fs.writeFileSync(process.env.RESULTS, lines.join(''));
  process.exit(0);
})();
