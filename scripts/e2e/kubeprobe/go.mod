// The kubelet's code for credential providers, for the end-to-end tests. In a module of its own:
// install.sh builds it with what the kubelet of a version requires.
module regshape/scripts/e2e/kubeprobe

go 1.26.0
