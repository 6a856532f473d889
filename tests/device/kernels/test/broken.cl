__kernel void broken(__global float *x) {
    x[0] = no_such_variable;
}
