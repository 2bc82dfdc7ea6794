package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	core "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

var out sync.Mutex

// say writes one line of JSON.
func say(what string, fields map[string]string) {
	out.Lock()
	defer out.Unlock()
	line := map[string]string{"event": what}
	for key, value := range fields {
		line[key] = value
	}
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(os.Stdout, string(text))
}

// informer watches the ConfigMaps of a namespace with a shared informer: `informer NAMESPACE`.
func informer(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: clients informer NAMESPACE")
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(args[0]))
	maps := factory.Core().V1().ConfigMaps().Informer()
	seen := func(what string, object any) {
		if gone, is := object.(cache.DeletedFinalStateUnknown); is {
			object = gone.Obj
		}
		configMap := object.(*core.ConfigMap)
		say(what, map[string]string{
			"name": configMap.Name, "value": configMap.Data["value"], "resourceVersion": configMap.ResourceVersion,
		})
	}
	_, err = maps.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { seen("added", object) },
		UpdateFunc: func(_, object any) { seen("updated", object) },
		DeleteFunc: func(object any) { seen("deleted", object) },
	})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), maps.HasSynced) {
		return fmt.Errorf("the cache was not filled")
	}
	say("synced", nil)
	<-ctx.Done()
	return nil
}
