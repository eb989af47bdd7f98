package directory

import (
	"context"

	"cpaas.dev/child-account-operator/internal/provider"
)

// accountReader reads single accounts into the cache. It has no state but that of its coalescer.
type accountReader struct {
	connection *connection
	cache      *accountCache
	coalescer  readCoalescer
}

func newAccountReader(c *connection, cache *accountCache) *accountReader {
	r := &accountReader{connection: c, cache: cache}
	r.coalescer.call, r.coalescer.together = r.call, c.getsTogether
	return r
}

// read returns once the answer to a read of the account, requested after read was called, is in the cache.
func (r *accountReader) read(ctx context.Context, key Key) error { return r.coalescer.read(ctx, key) }

// call reads several accounts by one call of Get.
func (r *accountReader) call(ctx context.Context, keys []Key) error {
	requested := r.cache.nextRevision()
	selector := provider.Selector{}
	for _, k := range keys {
		if k.ID != "" {
			selector.IDs = append(selector.IDs, k.ID)
		} else {
			selector.Names = append(selector.Names, k.Name)
		}
	}
	accounts, err := r.connection.current().Get(ctx, selector)
	if err != nil {
		return err
	}
	r.cache.mergeRead(keys, accounts, requested)
	return nil
}
