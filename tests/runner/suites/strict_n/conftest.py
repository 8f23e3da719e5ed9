def pytest_configure_node(node):
    node.workerinput["db"] = "x_" + node.workerinput["workerid"]


def pytest_testnodeready(node):
    print("ready", node.gateway.id)


def pytest_testnodedown(node, error):
    print("down", node.gateway.id, error)


def pytest_xdist_auto_num_workers(config):
    return 3
