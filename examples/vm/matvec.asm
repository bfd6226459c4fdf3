; Reads n, an n x n matrix row by row and a vector of n words; writes the product of matrix and vector.
.const VECTOR 0x8000
    read  r1                ; n
    loadi r10, 1
    mul   r2, r1, r1        ; words of the matrix
    loadi r3, 0
matrix:
    eq    r4, r3, r2
    jnz   r4, vector_start
    read  r5
    store r5, [r3]
    add   r3, r3, r10
    jmp   matrix
vector_start:
    loadi r3, 0
vector:
    eq    r4, r3, r1
    jnz   r4, product
    read  r5
    store r5, [r3+VECTOR]
    add   r3, r3, r10
    jmp   vector
product:
    loadi r6, 0             ; the row
    loadi r7, 0             ; address of the matrix entry
row:
    eq    r4, r6, r1
    jnz   r4, done
    call  dot
    write r8
    add   r6, r6, r10
    jmp   row
done:
    halt
; r8 = the scalar product of the row at r7 and the vector; r7 moves on to the next row.
dot:
    loadi r8, 0
    loadi r3, 0
dot_loop:
    eq    r4, r3, r1
    jnz   r4, dot_done
    load  r5, [r7]
    load  r9, [r3+VECTOR]
    mul   r5, r5, r9
    add   r8, r8, r5
    add   r7, r7, r10
    add   r3, r3, r10
    jmp   dot_loop
dot_done:
    ret
