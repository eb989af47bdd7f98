// Package apihttp is what the clients of the providers' APIs have in common: the transport, one request with its bounds, and what is said
// of one that failed. It knows no provider: what an answer means is for each client to say.
package apihttp
