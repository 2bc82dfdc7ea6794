"""A walk through the API with the Python client; what it sees goes to standard output, a line each."""

import os
import time

from kubernetes import client, config, dynamic, utils, watch
from kubernetes.stream import portforward, stream

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "python"},
    "spec": {
        "terminationGracePeriodSeconds": 1,
        "containers": [
            {
                "name": "main",
                "image": "process",
                "command": ["sh", "-c", "echo hello; exec python3 -m http.server $PORT --bind 127.0.0.1"],
                "env": [{"name": "PORT", "value": os.environ["POD_PORT"]}],
            }
        ],
    },
}


def main():
    config.load_kube_config(os.environ["KUBECONFIG"])
    core, api = client.CoreV1Api(), client.ApiClient()
    print("version", client.VersionApi().get_code().major)
    utils.create_from_dict(api, POD)
    pods = watch.Watch()
    for event in pods.stream(
        core.list_namespaced_pod, "default", field_selector="metadata.name=python", timeout_seconds=60
    ):
        if event["object"].status.phase == "Running":
            print("watched", event["type"])
            pods.stop()
    print("logs", core.read_namespaced_pod_log("python", "default").strip())
    said = stream(
        core.connect_get_namespaced_pod_exec, "python", "default", command=["echo", "from inside"],
        stdin=False, stdout=True, stderr=True, tty=False,
    )
    print("exec", said.strip())
    print("forwarded", forwarded(core, int(os.environ["POD_PORT"])))
    nodes = dynamic.DynamicClient(api).resources.get(api_version="v1", kind="Node").get()
    print("nodes", len(nodes.items))
    patched = core.patch_namespaced_pod("python", "default", {"metadata": {"labels": {"a": "b"}}})
    print("labels", patched.metadata.labels)
    try:
        core.read_namespaced_pod("missing", "default")
    except client.ApiException as error:
        print("missing", error.status, error.reason)
    core.delete_namespaced_pod("python", "default", grace_period_seconds=0)


def forwarded(core, port):
    """The first line of what the pod's web server answers, once it listens."""
    for _ in range(100):
        forward = portforward(core.connect_get_namespaced_pod_portforward, "python", "default", ports=str(port))
        socket = forward.socket(port)
        socket.setblocking(True)
        try:
            socket.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = socket.recv(4096).decode()
        except ConnectionError:
            answer = ""
        socket.close()
        if answer:
            return answer.splitlines()[0]
        time.sleep(0.2)
    return forward.error(port)


main()
