"""Validates rendered manifests, and the relations that no schema has.

usage: kubernetes.py RENDERED FOLDER VERSION...
Writes the custom resources to FOLDER as JSON, for a validator with their schemas.
"""

import json
import os
import re
import sys

import kubernetes_validate
import yaml

MARGIN_SECONDS = 5


def fail(text):
    sys.exit(f"FAILED: {text}")


def one(objects, kind, name="ron-gateway"):
    found = [o for o in objects if o["kind"] == kind and o["metadata"]["name"] == name]
    if len(found) != 1:
        fail(f"{len(found)} objects {kind}/{name}")
    return found[0]


def validate(objects, folder, versions):
    os.makedirs(folder, exist_ok=True)
    native = 0
    for document in objects:
        kind = document["kind"]
        if ".coreos.com/" in document["apiVersion"]:
            with open(os.path.join(folder, f"{kind}.json"), "w") as file:
                json.dump(document, file)
            continue
        native += 1
        for version in versions:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                fail(f"{kind} for Kubernetes {version}: {error}")
    return native


def seconds(text):
    match = re.fullmatch(r"(\d+)(s|m)", text)
    return int(match[1]) * {"s": 1, "m": 60}[match[2]]


def related(objects):
    deployment = one(objects, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    container = pod["containers"][0]
    settings = one(objects, "ConfigMap")["data"]["gateway.toml"]

    drain = seconds(re.search(r'^drain_timeout = "(\w+)"', settings, re.M)[1])
    stop = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    grace = pod["terminationGracePeriodSeconds"]
    if grace < stop + drain + MARGIN_SECONDS:
        fail(f"the grace period of {grace} s is below {stop} + {drain} + {MARGIN_SECONDS} s")

    selectors = {
        "Deployment": deployment["spec"]["selector"]["matchLabels"],
        "Service": one(objects, "Service")["spec"]["selector"],
        "Service of the endpoint": one(objects, "Service", "ron-gateway-admin")["spec"]["selector"],
        "PodDisruptionBudget": one(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        "NetworkPolicy": one(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    }
    for kind, selector in selectors.items():
        if not selector or not selector.items() <= labels.items():
            fail(f"{kind} selects {selector}, the pods have {labels}")
    monitor = one(objects, "ServiceMonitor")["spec"]
    admin = one(objects, "Service", "ron-gateway-admin")
    if not monitor["selector"]["matchLabels"].items() <= admin["metadata"]["labels"].items():
        fail("the ServiceMonitor selects no Service")
    if admin["metadata"]["labels"][monitor["jobLabel"]] != "ron-gateway":
        fail("the alerts expect the job ron-gateway")

    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for key, name in [("bind_addr", "edge"), ("admin_addr", "admin")]:
        port = int(re.search(rf'^{key} = ".*:(\d+)"', settings, re.M)[1])
        if ports[name] != port:
            fail(f"{key} has port {port}, the container {ports[name]}")
    for probe, path in [("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")]:
        if container[probe]["httpGet"] != {"path": path, "port": "admin"}:
            fail(f"{probe} is {container[probe]['httpGet']}")

    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    for path in re.findall(r'_path = "([^"]+)"', settings) + ["/etc/ron/gateway.toml"]:
        if os.path.dirname(path) not in mounts:
            fail(f"{path} is below no mount")
    if deployment["spec"]["replicas"] <= one(objects, "PodDisruptionBudget")["spec"]["maxUnavailable"]:
        fail("the disruption budget admits the loss of every replica")


def main():
    rendered, folder, *versions = sys.argv[1:]
    with open(rendered) as file:
        objects = [document for document in yaml.safe_load_all(file) if document]
    native = validate(objects, folder, versions)
    related(objects)
    print(f"kubernetes     {native} objects valid for {' and '.join(versions)}, relations hold")


main()
