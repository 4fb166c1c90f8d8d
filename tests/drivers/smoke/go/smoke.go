// What applications do with lib/pq and pgx. One line per check: its name, a tab, what came of it.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
	_ "github.com/jackc/pgx/v4/stdlib"
	"github.com/lib/pq"
)

var ctx = context.Background()

func url() string {
	return fmt.Sprintf("host=%s port=%s user=%s dbname=%s sslmode=disable",
		os.Getenv("PGHOST"), os.Getenv("PGPORT"), os.Getenv("PGUSER"), os.Getenv("PGDATABASE"))
}

func state(err error) string {
	var pqError *pq.Error
	var pgError *pgconn.PgError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &pqError):
		return string(pqError.Code)
	case errors.As(err, &pgError):
		return pgError.Code
	}
	return err.Error()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// The same over database/sql, with either driver below it.
func standard(driver string) map[string]func() any {
	open := func() *sql.DB {
		db, err := sql.Open(driver, url())
		must(err)
		return db
	}
	table := driver + "_moved"
	return map[string]func() any{
		"query": func() any {
			db := open()
			defer db.Close()
			var n int
			var text string
			must(db.QueryRow("select $1::int + 1, $2::text", 1, "x").Scan(&n, &text))
			return fmt.Sprint(n, text)
		},
		"prepared": func() any {
			db := open()
			defer db.Close()
			statement, err := db.Prepare("select $1::int * 2")
			must(err)
			var group sync.WaitGroup
			var lock sync.Mutex
			sum := 0
			for i := 0; i < 50; i++ {
				group.Add(1)
				go func(i int) {
					defer group.Done()
					var n int
					must(statement.QueryRow(i).Scan(&n))
					lock.Lock()
					sum += n
					lock.Unlock()
				}(i)
			}
			group.Wait()
			must(statement.Close())
			return sum
		},
		"transaction": func() any {
			db := open()
			defer db.Close()
			_, err := db.Exec("create table " + table + " (a int unique)")
			must(err)
			tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
			must(err)
			_, err = tx.Exec("insert into "+table+" values ($1)", 1)
			must(err)
			_, twice := tx.Exec("insert into "+table+" values ($1)", 1)
			_, after := tx.Exec("select 1")
			must(tx.Rollback())
			var n int
			must(db.QueryRow("select count(*) from " + table).Scan(&n))
			return fmt.Sprint(state(twice), state(after), n)
		},
		"cancel": func() any {
			db := open()
			defer db.Close()
			short, stop := context.WithTimeout(ctx, 300*time.Millisecond)
			defer stop()
			began := time.Now()
			_, err := db.ExecContext(short, "select pg_sleep(20)")
			_, after := db.Exec("select 1")
			return fmt.Sprint(err != nil, time.Since(began) < 10*time.Second, state(after))
		},
		"several": func() any {
			db := open()
			defer db.Close()
			_, err := db.Exec("select 1; select 2")
			return state(err)
		},
	}
}

func pqCopy() any {
	db, err := sql.Open("postgres", url())
	must(err)
	defer db.Close()
	_, err = db.Exec("create table pq_copied (a int, b text)")
	must(err)
	tx, err := db.Begin()
	must(err)
	statement, err := tx.Prepare(pq.CopyIn("pq_copied", "a", "b"))
	must(err)
	for i := 0; i < 1000; i++ {
		_, err = statement.Exec(i, "x")
		must(err)
	}
	_, err = statement.Exec()
	must(err)
	must(statement.Close())
	must(tx.Commit())
	var n int
	must(db.QueryRow("select count(*) from pq_copied").Scan(&n))
	return n
}

func pqListen() any {
	listener := pq.NewListener(url(), time.Second, time.Minute, nil)
	defer listener.Close()
	must(listener.Listen("news"))
	db, err := sql.Open("postgres", url())
	must(err)
	defer db.Close()
	_, err = db.Exec("notify news, 'hello'")
	must(err)
	select {
	case heard := <-listener.Notify:
		return heard.Channel + heard.Extra
	case <-time.After(10 * time.Second):
		return "nothing"
	}
}

func connected(work func(c *pgx.Conn) any, simple bool) func() any {
	return func() any {
		config, err := pgx.ParseConfig(url())
		must(err)
		config.PreferSimpleProtocol = simple
		c, err := pgx.ConnectConfig(ctx, config)
		must(err)
		defer c.Close(ctx)
		return work(c)
	}
}

func pgxChecks() map[string]func() any {
	query := func(c *pgx.Conn) any {
		sum := 0
		for i := 0; i < 10; i++ {
			var n int
			must(c.QueryRow(ctx, "select $1::int * 2", i).Scan(&n))
			sum += n
		}
		return sum
	}
	return map[string]func() any{
		"statement_cache": connected(query, false),
		"simple_protocol": connected(query, true),
		"batch": connected(func(c *pgx.Conn) any {
			batch := &pgx.Batch{}
			for i := 0; i < 20; i++ {
				batch.Queue("select $1::int", i)
			}
			batch.Queue("select 1 / $1::int", 0)
			batch.Queue("select 5")
			results := c.SendBatch(ctx, batch)
			sum := 0
			for i := 0; i < 20; i++ {
				var n int
				must(results.QueryRow().Scan(&n))
				sum += n
			}
			var n int
			failed := results.QueryRow().Scan(&n)
			results.Close()
			var after int
			must(c.QueryRow(ctx, "select 1").Scan(&after))
			return fmt.Sprint(sum, state(failed), after)
		}, false),
		"copy_from": connected(func(c *pgx.Conn) any {
			_, err := c.Exec(ctx, "create table pgx_copied (a int, b text)")
			must(err)
			n, err := c.CopyFrom(ctx, pgx.Identifier{"pgx_copied"}, []string{"a", "b"},
				pgx.CopyFromSlice(1000, func(i int) ([]any, error) { return []any{i, "x"}, nil }))
			must(err)
			return n
		}, false),
		"explicitly_prepared": connected(func(c *pgx.Conn) any {
			_, err := c.Prepare(ctx, "mine", "select $1::text || '!'")
			must(err)
			var text string
			must(c.QueryRow(ctx, "mine", "hello").Scan(&text))
			must(c.Deallocate(ctx, "mine"))
			_, again := c.Prepare(ctx, "mine", "select 7")
			var n int
			must(c.QueryRow(ctx, "mine").Scan(&n))
			return fmt.Sprint(text, state(again), n)
		}, false),
		"stale_plan": connected(func(c *pgx.Conn) any {
			_, err := c.Exec(ctx, "create table pgx_reshaped (a int)")
			must(err)
			for i := 0; i < 3; i++ {
				_, err = c.Exec(ctx, "select * from pgx_reshaped")
				must(err)
				rows, err := c.Query(ctx, "select * from pgx_reshaped where a = $1", 1)
				must(err)
				rows.Close()
			}
			_, err = c.Exec(ctx, "alter table pgx_reshaped add b int")
			must(err)
			ask := func() error {
				rows, err := c.Query(ctx, "select * from pgx_reshaped where a = $1", 1)
				if err == nil {
					rows.Close()
					err = rows.Err()
				}
				return err
			}
			ask()
			return state(ask())
		}, false),
	}
}

func main() {
	results, err := os.Create(os.Getenv("RESULTS"))
	must(err)
	all := map[string]func() any{"pq_copy": pqCopy, "pq_listen": pqListen}
	for driver, prefix := range map[string]string{"postgres": "pq_", "pgx": "pgx_sql_"} {
		for name, check := range standard(driver) {
			all[prefix+name] = check
		}
	}
	for name, check := range pgxChecks() {
		all["pgx_"+name] = check
	}
	for name, check := range all {
		outcome := func() (outcome string) {
			defer func() {
				if failure := recover(); failure != nil {
					outcome = fmt.Sprint("failed: ", failure)
				}
			}()
			return fmt.Sprint(check())
		}()
		fmt.Fprintf(results, "%s\t%s\n", name, strings.ReplaceAll(outcome, "\n", " "))
	}
}
