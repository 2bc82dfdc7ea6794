// Two programs that others write against Kubernetes, in one binary: a shared informer of client-go, and a manager of
// controller-runtime. Each says on standard output what it sees, a line of JSON each; a test reads that.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

var programs = map[string]func(context.Context, []string) error{
	"informer": informer,
	"manager":  manage,
}

func main() {
	if len(os.Args) < 2 || programs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: clients informer|manager ARGUMENTS")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := programs[os.Args[1]](ctx, os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
