package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/hack/internal/stack"
)

const (
	samples   = "config/samples"
	namespace = "telephony"
	// resync is how often the operator looks for drift here; the samples' five minutes are long to wait.
	resync = "5s"
)

// applySamples makes the namespace and the credentials Secret, and applies the samples as kubectl apply -k would.
func (d *demo) applySamples(ctx context.Context) error {
	if err := d.cluster.AddCredentials(ctx, namespace, d.simulator); err != nil {
		return err
	}
	objects, err := readSamples()
	if err != nil {
		return err
	}
	for _, object := range objects {
		if err := d.applySample(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) applySample(ctx context.Context, object *unstructured.Unstructured) error {
	note := ""
	if _, master, _ := unstructured.NestedMap(object.Object, "spec", "twoSMS"); master {
		var err error
		if note, err = d.connectMaster(ctx, object); err != nil {
			return err
		}
	} else if object.GetKind() == "ParentAccount" {
		note = fmt.Sprintf(", with endpoint: %s and, to see drift soon, resyncInterval: %s", d.simulator.URL, resync)
		err := errors.Join(
			unstructured.SetNestedField(object.Object, d.simulator.URL, "spec", "voximplant", "endpoint"),
			unstructured.SetNestedField(object.Object, resync, "spec", "resyncInterval"))
		if err != nil {
			return err
		}
	}
	err := d.cluster.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("demo"))
	if err != nil {
		return fmt.Errorf("%s %s of %s: %w", object.GetKind(), object.GetName(), samples, err)
	}
	fmt.Fprintf(d.out, "applied %s %s%s\n", object.GetKind(), object.GetName(), note)
	return nil
}

// readSamples reads what the kustomization names, in its order: the parent comes first.
func readSamples() ([]*unstructured.Unstructured, error) {
	list, err := stack.ReadYAML[struct{ Resources []string }](filepath.Join(samples, "kustomization.yaml"))
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for _, file := range list[0].Resources {
		more, err := stack.ReadYAML[map[string]any](filepath.Join(samples, file))
		if err != nil {
			return nil, err
		}
		for _, object := range more {
			objects = append(objects, &unstructured.Unstructured{Object: object})
		}
	}
	return objects, nil
}
