package namespacecache

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// listAll lists what is known of all namespaces.
func (c *objects) listAll(ctx context.Context, list client.ObjectList, o client.ListOptions) error {
	if o.Continue != "" {
		return errors.New("a cache's list can't be continued")
	}
	readings, err := c.known(list)
	if err != nil {
		return err
	}
	if len(readings) == 1 {
		return readings[0].List(ctx, list, &o)
	}
	var all []runtime.Object
	limited := o.Limit > 0
	version := ""
	for _, reading := range readings {
		part := list.DeepCopyObject().(client.ObjectList)
		if err := reading.List(ctx, part, &o); err != nil {
			return err
		}
		items, err := meta.ExtractList(part)
		if err != nil {
			return err
		}
		all, version = append(all, items...), part.GetResourceVersion()
		if o.Limit -= int64(len(items)); limited && o.Limit <= 0 {
			break
		}
	}
	list.SetResourceVersion(version)
	return meta.SetList(list, all)
}

// known are the copies of a kind's objects that there are, one for each namespace that was ever read.
func (c *objects) known(o runtime.Object) ([]client.Reader, error) {
	k, err := c.keyOf(o)
	if err != nil {
		return nil, err
	}
	var readings []client.Reader
	for _, s := range c.scopes {
		r := s.reader(k)
		if r == nil {
			return nil, &cache.ErrResourceNotCached{GVK: k.GroupVersionKind}
		}
		if m := r.latest.Load(); m != nil {
			readings = append(readings, m.cache)
		}
	}
	if len(readings) == 0 {
		return nil, c.notSynced(c.scopes[0])
	}
	return readings, nil
}
