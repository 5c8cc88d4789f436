// Command hello is what the proof runs in pods: a small HTTP server and client.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	switch command := append(os.Args[1:], "serve"); command[0] {
	case "serve":
		serve()
	case "get":
		get(os.Args[2])
	case "user":
		fmt.Printf("user %d group %d\n", os.Getuid(), os.Getgid())
	case "read":
		read(os.Args[2])
	case "hog":
		hog()
	default:
		log.Fatalf("hello serve | get URL | user | read FILE | hog, not %q", os.Args[1:])
	}
}

// serve is ready after a moment, so that a rollout that does not wait for
// readiness would be seen.
func serve() {
	host, _ := os.Hostname()
	began := time.Now()
	http.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) {
		if time.Since(began) < time.Second {
			http.Error(w, "starting", http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		log.Printf("%s %s from %s", r.Method, r.URL.Path, r.RemoteAddr)
		fmt.Fprintf(w, "hello %s from %s\n", os.Getenv("VERSION"), host)
	})
	log.Print("listening on :8080")
	log.Fatal(http.ListenAndServe(":8080", nil))
}

func get(url string) {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.Copy(os.Stdout, response.Body); err != nil {
		log.Fatal(err)
	}
}

func read(file string) {
	content, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", content)
}

// hog takes memory until it is stopped.
func hog() {
	var taken [][]byte
	for {
		block := make([]byte, 1<<20)
		for i := range block {
			block[i] = 1
		}
		taken = append(taken, block)
		_ = taken
	}
}
