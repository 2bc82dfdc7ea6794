package main

import (
	"context"
	"fmt"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	errors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	control "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const finalizer = "clients.example.com/finalizer"

// manage runs a manager with leader election: `manager NAMESPACE IDENTITY`. For each ConfigMap with the label
// `replicas` it keeps a Deployment of the same name with that many replicas, says in an annotation what it saw, and holds
// the ConfigMap by a finalizer until it has said that it goes.
func manage(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: clients manager NAMESPACE IDENTITY")
	}
	namespace, identity := args[0], args[1]
	control.SetLogger(klog.Background())
	rest, err := config.GetConfig()
	if err != nil {
		return err
	}
	manager, err := control.NewManager(rest, control.Options{
		LeaderElection:                true,
		LeaderElectionID:              "clients.example.com",
		LeaderElectionNamespace:       namespace,
		LeaderElectionReleaseOnCancel: true,
		Metrics:                       server.Options{BindAddress: "0"},
		Cache:                         cache.Options{DefaultNamespaces: map[string]cache.Config{namespace: {}}},
	})
	if err != nil {
		return err
	}
	keeper := &keeper{Client: manager.GetClient(), identity: identity}
	err = control.NewControllerManagedBy(manager).For(&core.ConfigMap{}).Owns(&apps.Deployment{}).Complete(keeper)
	if err != nil {
		return err
	}
	go func() {
		select {
		case <-manager.Elected():
			say("elected", map[string]string{"identity": identity})
		case <-ctx.Done():
		}
	}()
	say("started", map[string]string{"identity": identity})
	return manager.Start(ctx)
}

type keeper struct {
	client.Client
	identity string
}

func (k *keeper) Reconcile(ctx context.Context, request control.Request) (control.Result, error) {
	var configMap core.ConfigMap
	if err := k.Get(ctx, request.NamespacedName, &configMap); err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	var replicas int32
	if _, err := fmt.Sscan(configMap.Labels["replicas"], &replicas); err != nil {
		return control.Result{}, nil
	}
	if !configMap.DeletionTimestamp.IsZero() {
		say("released", map[string]string{"identity": k.identity, "name": configMap.Name})
		if controllerutil.RemoveFinalizer(&configMap, finalizer) {
			return control.Result{}, k.Update(ctx, &configMap)
		}
		return control.Result{}, nil
	}
	if controllerutil.AddFinalizer(&configMap, finalizer) {
		return control.Result{}, k.Update(ctx, &configMap)
	}
	deployment := apps.Deployment{ObjectMeta: meta.ObjectMeta{Name: configMap.Name, Namespace: configMap.Namespace}}
	done, err := controllerutil.CreateOrPatch(ctx, k.Client, &deployment, func() error {
		labels := map[string]string{"app": configMap.Name}
		deployment.Spec.Replicas = &replicas
		deployment.Spec.Selector = &meta.LabelSelector{MatchLabels: labels}
		deployment.Spec.Template.Labels = labels
		deployment.Spec.Template.Spec.Containers = []core.Container{{
			Name: "main", Image: "process", Command: []string{"sleep", "1000000"},
		}}
		return controllerutil.SetControllerReference(&configMap, &deployment, k.Scheme())
	})
	if errors.IsConflict(err) {
		return control.Result{RequeueAfter: 1}, nil
	}
	if err != nil {
		return control.Result{}, err
	}
	before := configMap.DeepCopy()
	seen := fmt.Sprintf("%d ready", deployment.Status.ReadyReplicas)
	if configMap.Annotations["seen"] != seen {
		if configMap.Annotations == nil {
			configMap.Annotations = map[string]string{}
		}
		configMap.Annotations["seen"] = seen
		if err := k.Patch(ctx, &configMap, client.MergeFrom(before)); err != nil {
			return control.Result{}, err
		}
	}
	say("reconciled", map[string]string{
		"identity": k.identity, "name": configMap.Name, "done": string(done), "seen": seen,
	})
	return control.Result{}, nil
}
