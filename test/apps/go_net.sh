# SPDX-License-Identifier: Apache-2.0
# needs: go curl
# packages: golang-go curl
# where: host
# A Go network program, built on the host: an HTTP server and clients, 200 goroutines over TCP, UDP, Unix sockets, timeouts, a signal; also asked from the host.
cat > main.go <<'END'
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
)

func must(err error) {
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}
func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %d", r.Method, r.URL.Path, len(b))
	})
	l, err := net.Listen("tcp", "127.0.0.1:8296")
	must(err)
	server := &http.Server{Handler: mux}
	go server.Serve(l)
	var wg sync.WaitGroup
	var mu sync.Mutex
	good := 0
	for i := 0; i < 200; i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			r, err := http.Post("http://127.0.0.1:8296/p", "text/plain", strings.NewReader(strings.Repeat("x", i*100)))
			if err != nil {
				fmt.Println(err)
				return
			}
			b, _ := io.ReadAll(r.Body)
			r.Body.Close()
			if string(b) == fmt.Sprintf("POST /p %d", i*100) {
				mu.Lock()
				good++
				mu.Unlock()
			}
		}(i)
	}
	wg.Wait()
	fmt.Println("http", good)
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(err)
	c, err := net.Dial("udp", u.LocalAddr().String())
	must(err)
	c.Write([]byte("datagram"))
	b := make([]byte, 100)
	n, _, err := u.ReadFrom(b)
	must(err)
	fmt.Println("udp", string(b[:n]))
	os.Remove("go.sock")
	ul, err := net.Listen("unix", "go.sock")
	must(err)
	go func() { k, _ := ul.Accept(); io.Copy(k, k); k.Close() }()
	uc, err := net.Dial("unix", "go.sock")
	must(err)
	uc.Write([]byte("unix"))
	n, _ = uc.Read(b)
	fmt.Println(string(b[:n]))
	uc.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	_, err = uc.Read(b)
	fmt.Println("timeout", err.(net.Error).Timeout())
	_, err = net.Dial("tcp", "127.0.0.1:1")
	fmt.Println(strings.Contains(err.Error(), "connection refused"))
	ifs, _ := net.Interfaces()
	fmt.Println("interfaces", len(ifs) > 0)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	fmt.Println("serving")
	<-stop
	server.Shutdown(context.Background())
	fmt.Println("ended")
}
END
export HOME=$PWD GOCACHE=$PWD/cache GOFLAGS=-mod=mod GO111MODULE=off CGO_ENABLED=0 GOTOOLCHAIN=local
go build -o prog main.go || exit 1
rm -rf cache
: > out
$RUN "$PWD/prog" > out & server=$!
for i in $(seq 200); do grep -q serving out && break; sleep 0.1; done
curl -s -d from-host http://127.0.0.1:8296/host; echo; kill $server; wait $server; echo "server $?"; cat out
