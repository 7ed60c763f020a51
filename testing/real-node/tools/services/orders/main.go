// orders is a service as users write them: it needs PostgreSQL and Redis, ends when it cannot reach them
// at its start, and answers with an error while one of them is away. With the argument "migrate" it creates
// its table instead.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gomodule/redigo/redis"
	_ "github.com/lib/pq"
)

const (
	patience = 2 * time.Second
	counter  = "orders"
)

// service has a client of each program that it needs.
type service struct {
	database *sql.DB
	cache    *redis.Pool
	scrapes  atomic.Int64
}

func main() {
	database, err := sql.Open("postgres", os.Getenv("DATABASE_URL"))
	if err == nil {
		err = database.Ping()
	}
	if err != nil {
		log.Fatalf("cannot reach the database: %v", err)
	}
	if len(os.Args) > 1 && os.Args[1] == "migrate" {
		if _, err := database.Exec("CREATE TABLE orders (id bigserial PRIMARY KEY, text text NOT NULL)"); err != nil {
			log.Fatalf("cannot create the table: %v", err)
		}
		return
	}
	dial := func() (redis.Conn, error) {
		return redis.DialURL(os.Getenv("REDIS_URL"), redis.DialConnectTimeout(patience),
			redis.DialReadTimeout(patience), redis.DialWriteTimeout(patience))
	}
	it := &service{database: database, cache: &redis.Pool{Dial: dial, MaxIdle: 1, MaxActive: 4, Wait: true}}
	if err := it.check(context.Background()); err != nil {
		log.Fatal(err)
	}
	it.serve()
}

// check returns which of the two does not answer.
func (it *service) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var count int64
	if err := it.database.QueryRowContext(ctx, "SELECT count(*) FROM orders").Scan(&count); err != nil {
		return fmt.Errorf("the database does not answer: %w", err)
	}
	cache := it.cache.Get()
	defer cache.Close()
	if _, err := cache.Do("PING"); err != nil {
		return fmt.Errorf("the cache does not answer: %w", err)
	}
	return nil
}

func (it *service) serve() {
	paths := http.NewServeMux()
	paths.HandleFunc("GET /live", func(answer http.ResponseWriter, _ *http.Request) {})
	paths.HandleFunc("GET /health", it.answering(func(ctx context.Context, _ *http.Request) (string, error) {
		return "healthy", it.check(ctx)
	}))
	// Stores the text of the request, and answers with the number of orders in database and cache.
	paths.HandleFunc("GET /orders/{text}", it.answering(func(ctx context.Context, request *http.Request) (string, error) {
		var stored int64
		_, err := it.database.ExecContext(ctx, "INSERT INTO orders (text) VALUES ($1)", request.PathValue("text"))
		if err == nil {
			err = it.database.QueryRowContext(ctx, "SELECT count(*) FROM orders").Scan(&stored)
		}
		if err != nil {
			return "", err
		}
		cache := it.cache.Get()
		defer cache.Close()
		counted, err := redis.Int64(cache.Do("INCR", counter))
		return fmt.Sprintf("%d %d", stored, counted), err
	}))
	paths.HandleFunc("GET /metrics", func(answer http.ResponseWriter, _ *http.Request) {
		answer.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprintf(answer, "# TYPE orders_scrapes_total counter\norders_scrapes_total %d\n", it.scrapes.Add(1))
	})
	server := &http.Server{Addr: ":8080", Handler: paths, ReadHeaderTimeout: patience}
	ending, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	go func() {
		<-ending.Done()
		_ = server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}

// answering turns an error into a status that a probe takes for a failure.
func (it *service) answering(
	respond func(context.Context, *http.Request) (string, error),
) http.HandlerFunc {
	return func(answer http.ResponseWriter, request *http.Request) {
		ctx, cancel := context.WithTimeout(request.Context(), patience)
		defer cancel()
		text, err := respond(ctx, request)
		if err != nil {
			http.Error(answer, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(answer, text)
	}
}
