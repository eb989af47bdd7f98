package testenv

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"cpaas.dev/child-account-operator/api/v1alpha1"
)

// Table is what `kubectl get RESOURCE -n NAMESPACE -o wide` prints: the Kubernetes API makes the table.
func Table(ctx context.Context, namespace, resource string) metav1.Table {
	GinkgoHelper()
	httpClient, err := rest.HTTPClientFor(Config)
	Expect(err).NotTo(HaveOccurred())
	url := fmt.Sprintf("%s/apis/%s/namespaces/%s/%s", strings.TrimSuffix(Config.Host, "/"), v1alpha1.GroupVersion, namespace, resource)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	Expect(err).NotTo(HaveOccurred())
	r.Header.Set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
	response, err := httpClient.Do(r)
	Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	Expect(response.StatusCode).To(Equal(http.StatusOK), string(body))
	var table metav1.Table
	Expect(json.Unmarshal(body, &table)).To(Succeed())
	return table
}

// Cell is a cell as kubectl prints it.
func Cell(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

// ColumnsOf is a resource as `kubectl get -o wide` prints it, by the names of the columns.
func ColumnsOf(ctx context.Context, o client.Object) func() map[string]string {
	resource := "childaccounts"
	if _, parent := o.(*v1alpha1.ParentAccount); parent {
		resource = "parentaccounts"
	}
	return func() map[string]string {
		GinkgoHelper()
		table := Table(ctx, o.GetNamespace(), resource)
		for _, row := range table.Rows {
			if Cell(row.Cells[0]) != o.GetName() {
				continue
			}
			cells := map[string]string{}
			for i, column := range table.ColumnDefinitions {
				cells[column.Name] = Cell(row.Cells[i])
			}
			return cells
		}
		return nil
	}
}
